// Why: a satellite as the manual describes it, in next-auth v4: it authorizes nobody (null authorize) and
// sends whoever has to sign in to the auth server.

import NextAuth, { getServerSession } from 'next-auth'
import Credentials from 'next-auth/providers/credentials'
import { callbacks } from './callbacks'
import { sessionCookie } from './session-cookie'

const options = {
  secret: process.env.NEXTAUTH_SECRET,
  session: { strategy: 'jwt' },
  cookies: { sessionToken: sessionCookie },
  pages: { signIn: process.env.AUTH_SIGNIN_URL },
  providers: [Credentials({ credentials: {}, authorize: () => null })],
  callbacks,
}

const handler = NextAuth(options)

export const handlers = { GET: handler, POST: handler }
export const auth = () => getServerSession(options)
