// Why: the callbacks of a Next.js satellite, the same for both versions of the library. They change no
// claim, so that a test sees exactly what the library itself does to a cookie of ours.

export const callbacks = {
  jwt: ({ token }) => token,
  session: ({ session, token }) => {
    const { firstName, isAdmin, contactAddress, sid } = token
    return { ...session, user: { ...session.user, firstName, isAdmin, contactAddress, sid } }
  },
}
