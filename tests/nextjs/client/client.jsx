// Why: the browser tests put the official client into pages of our own servers and call it there, on our
// origin, against our endpoints. This file only hands it out: `next-auth/react` itself is unmodified.

import { createRoot } from 'react-dom/client'
import {
  SessionProvider,
  getCsrfToken,
  getProviders,
  getSession,
  signIn,
  signOut,
  useSession,
} from 'next-auth/react'

window.HallpassClient = { signIn, signOut, getSession, getCsrfToken, getProviders, mount }

function mount(element) {
  createRoot(element).render(
    <SessionProvider>
      <Probe />
    </SessionProvider>,
  )
}

function Probe() {
  const { data, status } = useSession()
  return (
    <>
      <p id="na-status">{status}</p>
      <pre id="na-session">{JSON.stringify(data)}</pre>
    </>
  )
}
