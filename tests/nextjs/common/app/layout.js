// Why: the App router wants a root layout. It loads nothing, no fonts either.

export const metadata = { title: 'Next.js satellite' }

export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  )
}
