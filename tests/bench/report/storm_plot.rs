//! The picture of a storm: when requests came, when they were answered, and how long each waited.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use tokio::time::Instant;

use super::plot::{Drawing, Pair, Panel, through, ticks};
use crate::{
    numbers::as_float,
    storm::{Crowd, Story},
};

const TITLE: &str = "10,000 requests, one expired access token, one refresh";

pub(crate) fn draw(story: &Story, takes: Duration) -> String {
    let mut drawing = Drawing::new(580.0);
    drawing.text((24.0, 32.0), "title", TITLE);
    let asked = if story.refreshes == 1 { "once".to_owned() } else { format!("{} times", story.refreshes) };
    let about = format!(
        "The backend takes {} ms for a refresh and was asked {asked}; {} of {} requests came back with the renewed session.",
        takes.as_millis(),
        story.renewed,
        story.storm.answers.len()
    );
    drawing.text((24.0, 52.0), "", &about);
    above(&mut drawing, story);
    below(&mut drawing, story);
    drawing.finish(TITLE, &about)
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1000.0
}

/// Times since the beginning, from the first to the last.
fn sorted(crowd: &Crowd, which: impl Fn(&(Instant, Instant)) -> Instant) -> Vec<f64> {
    let mut times: Vec<_> =
        crowd.answers.iter().map(|answer| milliseconds(crowd.begun, which(answer))).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// How many there were by then, as a line of a few hundred points.
fn growing(panel: &Panel, times: &[f64]) -> Vec<Pair> {
    let step = (times.len() / 400).max(1);
    let mut counted = times.iter().enumerate().map(|(number, time)| (*time, as_float(number + 1)));
    let mut points: Vec<_> = counted.clone().step_by(step).collect();
    points.extend(counted.next_back());
    points.into_iter().map(|point| panel.point(point)).collect()
}

/// How many have come and how many were answered, over time.
fn above(drawing: &mut Drawing, story: &Story) {
    let (came, answered) = (sorted(&story.storm, |answer| answer.0), sorted(&story.storm, |answer| answer.1));
    let calm = sorted(&story.calm, |answer| answer.1);
    let last = answered.last().copied().unwrap_or(1.0);
    let (end, count) = ((last * 1.04 / 10.0).ceil() * 10.0, as_float(answered.len()));
    let panel = Panel { at: (72.0, 104.0), size: (704.0, 176.0), x: (0.0, end), y: (0.0, count) };
    drawing.legend(
        (72.0, 78.0),
        &[
            ("lsoft", "have come"),
            ("lgood", "are answered"),
            ("ftint", "wait"),
            ("lplain", "answered, where nothing has to be renewed"),
        ],
    );
    let rows: Vec<_> = ticks(panel.y, 4.0).into_iter().map(|value| (value, thousands(value))).collect();
    panel.rows(drawing, &rows);
    let (came, answered) = (growing(&panel, &came), growing(&panel, &answered));
    let mut outline = came.clone();
    outline.extend(answered.iter().rev());
    drawing.path(&format!("{}Z", through(&outline)), "ftint");
    let refresh = (
        panel.across(milliseconds(story.storm.begun, story.refresh.0)),
        panel.across(milliseconds(story.storm.begun, story.refresh.1)),
    );
    drawing.rect((refresh.0, panel.bottom() - 24.0), (refresh.1 - refresh.0, 24.0), "fband");
    for side in [refresh.0, refresh.1] {
        drawing.line((side, panel.at.1), (side, panel.bottom()), "lmark");
    }
    drawing.text((refresh.1 - 7.0, panel.bottom() - 8.0), "end mark", "the backend's refresh");
    drawing.curve(&growing(&panel, &calm), "lplain");
    drawing.curve(&came, "lsoft");
    drawing.curve(&answered, "lgood");
    panel.foot(drawing, "milliseconds since the first request");
    drawing.upwards((20.0, panel.at.1 + panel.size.1 / 2.0), "requests");
}

/// Each answer, and how many waited for how long.
fn below(drawing: &mut Drawing, story: &Story) {
    let waits = story.waits();
    let longest = waits.last().copied().unwrap_or(1.0);
    let came = sorted(&story.storm, |answer| answer.0).last().copied().unwrap_or(1.0);
    let dots = Panel {
        at: (72.0, 352.0),
        size: (440.0, 176.0),
        x: (0.0, (came * 1.02).ceil()),
        y: (0.0, (longest * 1.05 / 10.0).ceil() * 10.0),
    };
    drawing.text((72.0, 338.0), "strong", "Each request: how long it waited");
    let rows: Vec<_> = ticks(dots.y, 5.0).into_iter().map(|value| (value, value.to_string())).collect();
    dots.rows(drawing, &rows);
    let mut places = BTreeSet::new();
    for (came, answered) in &story.storm.answers {
        let (x, y) = dots.point((milliseconds(story.storm.begun, *came), milliseconds(*came, *answered)));
        // Those in one place are one dot: a picture has no room for more.
        places.insert((format!("{x:.0}"), format!("{y:.0}")));
    }
    let path = places.iter().fold(String::new(), |mut path, (x, y)| {
        write!(path, "M{x} {y}h0").unwrap();
        path
    });
    drawing.path(&path, "dots");
    dots.foot(drawing, "came, milliseconds since the first request");
    drawing.upwards((20.0, dots.at.1 + dots.size.1 / 2.0), "waited, milliseconds");
    distribution(drawing, story, &dots);
}

fn distribution(drawing: &mut Drawing, story: &Story, dots: &Panel) {
    const BANDS: u8 = 44;
    let (waits, width) = (story.waits(), dots.y.1 / f64::from(BANDS));
    let edges = (0..=BANDS).map(|number| story.share_within(f64::from(number) * width) * 100.0);
    let edges: Vec<_> = edges.collect();
    let shares: Vec<_> = edges.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let most = shares.iter().copied().fold(1.0, f64::max);
    let panel = Panel { at: (560.0, dots.at.1), size: (120.0, dots.size.1), x: (0.0, most), y: dots.y };
    drawing.text((560.0, 338.0), "strong", "How many waited so long");
    let rows: Vec<_> = ticks(panel.y, 5.0).into_iter().map(|value| (value, String::new())).collect();
    panel.rows(drawing, &rows);
    let tall = panel.size.1 / f64::from(BANDS);
    for (number, share) in (1..=BANDS).zip(&shares) {
        let top = panel.up(f64::from(number) * width);
        drawing.rect((panel.at.0, top + 0.4), (panel.across(*share) - panel.at.0, tall - 0.8), "fgood");
    }
    panel.foot(drawing, "% of the requests");
    let at = |share: usize| waits[(waits.len() * share / 100).min(waits.len() - 1)];
    // Labels of neighbours stand below each other.
    let mut free = panel.at.1;
    for (name, wait) in [("longest", at(100)), ("p99", at(99)), ("p50", at(50))] {
        let (y, label) = (panel.up(wait), panel.up(wait).max(free));
        drawing.curve(&[(panel.at.0, y), (panel.right(), y), (panel.right() + 8.0, label)], "lmark");
        drawing.text((panel.right() + 12.0, label + 4.0), "mark", &format!("{name} {wait:.0} ms"));
        free = label + 16.0;
    }
}

fn thousands(value: f64) -> String {
    if value >= 1000.0 {
        format!("{:.0},{:03.0}", (value / 1000.0).floor(), value % 1000.0)
    } else {
        value.to_string()
    }
}
