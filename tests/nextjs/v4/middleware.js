// Why: next-auth's own middleware for v4 sends a relative callbackUrl, with which an auth server on
// another host cannot find the way back. This one says where it is, by NEXTAUTH_URL: the host that Next
// itself believes in is the one it listens on.

import { getToken } from 'next-auth/jwt'
import { NextResponse } from 'next/server'
import { sessionCookie } from './session-cookie'

export async function middleware(req) {
  if (await getToken({ req, cookieName: sessionCookie.name })) return NextResponse.next()
  const { pathname, search } = req.nextUrl
  const signIn = new URL(process.env.AUTH_SIGNIN_URL)
  signIn.searchParams.set('callbackUrl', new URL(pathname + search, process.env.NEXTAUTH_URL).href)
  return NextResponse.redirect(signIn)
}

export const config = { matcher: '/private/:path*' }
