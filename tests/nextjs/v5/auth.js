// Why: a satellite as the manual describes it, in next-auth v5: it authorizes nobody (null authorize) and
// sends whoever has to sign in to the auth server. Secret, own address and trust in it come from
// AUTH_SECRET, AUTH_URL and AUTH_TRUST_HOST, which the library reads by itself.
//
// pages.signIn may be on another host only for GET /api/auth/signin: where the library reports a fault, it
// puts this app's origin in front (https://app.example.comhttps//auth…), and signIn('credentials') throws.

import NextAuth from 'next-auth'
import Credentials from 'next-auth/providers/credentials'
import { callbacks } from './callbacks'
import { sessionCookie } from './session-cookie'

export const { handlers, auth } = NextAuth({
  session: { strategy: 'jwt' },
  cookies: { sessionToken: sessionCookie },
  pages: { signIn: process.env.AUTH_SIGNIN_URL },
  providers: [Credentials({ credentials: {}, authorize: () => null })],
  callbacks,
})
