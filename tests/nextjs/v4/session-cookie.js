// Why: the route handlers and the middleware must agree on the domain-wide cookie, and the middleware
// cannot import auth.js, because next-auth v4 does not run there. v4 replaces the whole entry, so every
// option has to be said.

const secure = (process.env.NEXTAUTH_URL ?? '').startsWith('https://')

export const sessionCookie = {
  name: `${secure ? '__Secure-' : ''}next-auth.session-token`,
  options: {
    domain: process.env.COOKIE_DOMAIN || undefined,
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure,
  },
}
