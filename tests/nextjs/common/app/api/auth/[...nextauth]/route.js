// Why: the library's own endpoints, on the satellite's own origin. GET /api/auth/session writes the shared
// cookie again with this app's encoder: what the tests look at most.

import { handlers } from '../../../../auth'

export const { GET, POST } = handlers
