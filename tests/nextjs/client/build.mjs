// Why: one script text per version of the library, that WebDriver can inject. Library and React are those
// of the app of the same version, which must be installed beside this folder.

import { build } from 'esbuild'

for (const version of ['v4', 'v5']) {
  await build({
    absWorkingDir: import.meta.dirname,
    entryPoints: ['client.jsx'],
    outfile: `dist/${version}.js`,
    nodePaths: [`../${version}/node_modules`],
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    jsx: 'automatic',
    // A browser has no process; where there is no NEXTAUTH_URL the client uses the page's own origin.
    define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}' },
  })
}
