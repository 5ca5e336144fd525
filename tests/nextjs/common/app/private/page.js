// Why: shows what server-side code of a Next.js satellite sees. The middleware keeps anonymous visitors
// out, so this page never has to.

import { auth } from '../../auth'

export const dynamic = 'force-dynamic'

export default async function Private() {
  return <pre id="server-session">{JSON.stringify(await auth(), null, 2)}</pre>
}
