// Why: auth.js and getToken must agree on the domain-wide cookie. In v5 its name is also the salt of the
// key, so a wrong name reads nothing at all.

const secure = (process.env.AUTH_URL ?? '').startsWith('https://')

export const sessionCookie = {
  name: `${secure ? '__Secure-' : ''}authjs.session-token`,
  options: {
    domain: process.env.COOKIE_DOMAIN || undefined,
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure,
  },
}
