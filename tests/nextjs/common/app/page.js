// Why: shows what the official browser client sees on a Next.js satellite: a test signs in on the auth
// server, opens this page and reads #status and #session; the buttons call the client's own functions.

'use client'

import { SessionProvider, signIn, signOut, useSession } from 'next-auth/react'

export default function Home() {
  return (
    <SessionProvider>
      <Session />
    </SessionProvider>
  )
}

function Session() {
  const { data, status } = useSession()
  return (
    <main>
      <p id="status">{status}</p>
      <pre id="session">{JSON.stringify(data, null, 2)}</pre>
      <button id="sign-in" onClick={() => signIn()}>Sign in</button>
      <button id="sign-out" onClick={() => signOut()}>Sign out</button>
    </main>
  )
}
