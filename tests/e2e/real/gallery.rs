//! Every page, light and dark, wide and narrow: pictures to look at, and what a machine can judge of them.

use super::{ADMIN, ORDINARY, Stage};

/// Name of a look, size, colours.
const LOOKS: [(&str, (u32, u32), &str); 4] = [
    ("light", (1280, 800), "light"),
    ("dark", (1280, 800), "dark"),
    ("phone", (390, 844), "light"),
    ("phone-dark", (390, 844), "dark"),
];

impl Stage {
    /// Takes the pictures of the page that is open.
    async fn picture(&self, name: &str) {
        for (look, size, colours) in LOOKS {
            self.browser.resize(size, colours).await;
            self.browser.save(&format!("page-{name}-{look}")).await;
        }
        // Nobody has to scroll sideways, on the smallest phone or at 400 % (WCAG 1.4.10).
        self.browser.resize((320, 640), "light").await;
        let fits = "return document.documentElement.scrollWidth <= 320";
        self.browser.wait(&format!("does {name} fit"), fits, &[]).await;
        assert_eq!(self.browser.complaints().await, Vec::<String>::new(), "{name}");
    }

    async fn picture_of(&self, name: &str, host: &str, path: &str) {
        self.open(host, path).await;
        self.picture(name).await;
    }
}

#[tokio::test]
async fn every_page_has_its_picture_and_the_browser_nothing_to_complain_about() {
    let stage = Stage::set().await;
    let way = stage.world.url("app", "/reports");
    stage.picture_of("login", "auth", &format!("/login?callbackUrl={way}")).await;
    stage.picture_of("login-refused", "auth", "/login?error=CredentialsSignin").await;
    stage.picture_of("login-ended", "auth", "/login?error=RefreshTokenExpired").await;
    stage.picture_of("error", "auth", "/error?error=Configuration").await;
    stage.picture_of("not-found", "auth", "/nowhere").await;
    stage.picture_of("logout-nobody", "auth", "/logout").await;
    stage.open("app", "/").await;
    stage.enter(ORDINARY).await;
    stage.browser.sees("Plzeň").await;
    stage.picture("session").await;
    stage.picture_of("denied", "admin", "/").await;
    stage.picture_of("signed-in", "auth", "/").await;
    stage.picture_of("signed-in-came-back", "auth", &format!("/login?callbackUrl={way}")).await;
    stage.picture_of("logout", "auth", "/logout").await;
    stage.browser.click("main [type=submit]").await;
    stage.browser.sees("signed out everywhere").await;
    stage.picture("signed-out").await;
}

#[tokio::test]
async fn a_brand_reaches_every_page() {
    let settings =
        "brand.name = \"Wayne & Söhne\"\nbrand.colors = { brand = \"#7a1f5c\", brand-ink = \"#fff\" }";
    let stage = Stage::set_with(settings).await;
    stage.open("auth", "/login").await;
    stage.browser.sees("Wayne & Söhne").await;
    stage.picture("branded-login").await;
    let button =
        "return getComputedStyle(document.querySelector('.button')).backgroundColor === 'rgb(122, 31, 92)'";
    stage.browser.wait("has the button the brand's colour", button, &[]).await;
    stage.enter(ADMIN).await;
    stage.browser.sees("nothing more to do here").await;
    stage.picture("branded-signed-in").await;
}
