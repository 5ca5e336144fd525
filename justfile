# The words one types; what they do stands in the scripts, so that nobody needs `just` itself.

# Everything that must pass: CI, word for word.
check:
    ./.ci/run

# All tests, with real third-party software.
test:
    ./tests/run

# What needs nothing but Rust.
quick:
    cargo test --workspace

# A first look.
demo:
    cargo run --release -p hallpass-demo
