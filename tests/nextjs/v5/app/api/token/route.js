// Why: shows every claim that this app can read in the shared cookie, without touching the cookie. Of the
// backend's own tokens it only says whether they are there.

import { getToken } from 'next-auth/jwt'
import { sessionCookie } from '../../../session-cookie'

export const dynamic = 'force-dynamic'

export async function GET(req) {
  const claims = await getToken({
    req,
    secret: process.env.AUTH_SECRET,
    cookieName: sessionCookie.name,
    salt: sessionCookie.name,
  })
  return Response.json(
    claims && { ...claims, token: 'token' in claims, refreshToken: 'refreshToken' in claims },
  )
}
