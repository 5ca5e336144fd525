//! Against real Django, real Chromium, real Next.js: `tests/run` installs them.
