// Why: v5's own middleware writes the session cookie again on every request it sees; tests want to meet
// that. The redirect to the auth server is ours: the library's keeps the visitor's query beside callbackUrl.

import { NextResponse } from 'next/server'
import { auth } from './auth'

export default auth((req) => {
  if (req.auth) return NextResponse.next()
  const signIn = new URL(process.env.AUTH_SIGNIN_URL)
  signIn.searchParams.set('callbackUrl', req.nextUrl.href)
  return NextResponse.redirect(signIn)
})

export const config = { matcher: '/private/:path*' }
