//! How a page looks, and what the browser says of it.
//!
//! Why: pages are judged by people; the pictures are kept for them.

use std::{path::PathBuf, time::Duration};

use serde_json::json;
use thirtyfour::cdp::domains::emulation::{MediaFeature, SetEmulatedMedia};
use tokio::time::sleep;

use super::Browser;
use crate::process::tests_folder;

impl Browser {
    /// What the browser complained about since the last call: scripts that fail, what the pages' policy forbids.
    ///
    /// # Panics
    /// If it does not say.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.unwrap().into_iter().map(|entry| entry.message);
        log.filter(|message| !message.contains("Failed to load resource")).collect()
    }

    /// Makes the page as large, and light or dark.
    ///
    /// # Panics
    /// If the browser cannot.
    pub async fn resize(&self, (width, height): (u32, u32), scheme: &str) {
        let devtools = self.driver.cdp();
        devtools.emulation().set_device_metrics_override(width, height, 1.0, false).await.unwrap();
        let feature = MediaFeature { name: "prefers-color-scheme".into(), value: scheme.into() };
        devtools.send(SetEmulatedMedia { media: None, features: Some(vec![feature]) }).await.unwrap();
    }

    /// Saves the whole page as `output/NAME.png`; gives back where.
    ///
    /// # Panics
    /// If it cannot be saved.
    pub async fn save(&self, name: &str) -> PathBuf {
        let folder = tests_folder().join("output");
        tokio::fs::create_dir_all(&folder).await.unwrap();
        let path = folder.join(format!("{name}.png"));
        // Transitions and the caret make pictures differ from run to run.
        sleep(Duration::from_millis(200)).await;
        let size = "const d = document.documentElement; return [d.clientWidth, Math.max(d.clientHeight, d.scrollHeight)]";
        let size = self.run(size, &[]).await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let wish = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let image = self.driver.cdp().send_raw("Page.captureScreenshot", wish).await.unwrap();
        let image = base64_decoded(image["data"].as_str().unwrap());
        tokio::fs::write(&path, image).await.unwrap();
        path
    }
}

fn base64_decoded(text: &str) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.decode(text).unwrap()
}
