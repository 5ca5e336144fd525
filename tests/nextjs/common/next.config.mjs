// Why: both apps are built on machines that are busy with other tests, and need none of what else Next
// does in a build. No setting of the tests stands here: all of them are environment, read at run time.

export default {
  eslint: { ignoreDuringBuilds: true },
  experimental: { cpus: 1 },
  poweredByHeader: false,
}
