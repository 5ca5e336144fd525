// Why: the callbacks of a Next.js satellite, the same for both versions of the library. They change no
// claim, so that a test sees exactly what the library itself does to a cookie of ours. The library counts
// its maxAge anew with each visit; that a session ends all the same is said here, as the manual asks.

export const callbacks = {
  jwt: ({ token }) => {
    if (Date.now() / 1000 >= token.absoluteExp) throw new Error('the session has reached its absolute end')
    return token
  },
  session: ({ session, token }) => {
    const { firstName, isAdmin, contactAddress, sid } = token
    return { ...session, user: { ...session.user, firstName, isAdmin, contactAddress, sid } }
  },
}
