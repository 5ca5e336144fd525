//! The picture of a rolling restart: which container is away, what people get meanwhile, and how long they wait.

use std::collections::BTreeMap;

use hallpass_tests::containers::crowd::{Outcome, Visit};
use tokio::time::Instant;

use crate::{
    numbers::{as_float, median},
    report::plot::{Drawing, Panel, ticks},
};

/// One container that ended and came back; in seconds since the beginning.
#[derive(Debug)]
pub(crate) struct Restart {
    pub(crate) name: String,
    pub(crate) ended: f64,
    pub(crate) started: f64,
    pub(crate) healthy: f64,
}

/// All requests that began within a quarter of a second.
#[derive(Debug, Default)]
struct Quarter {
    served: u32,
    unavailable: u32,
    no_answer: u32,
    other: u32,
    /// How long they waited, in milliseconds.
    waits: Vec<f64>,
}

const QUARTER: f64 = 0.25;
const TITLE: &str = "A rolling restart, with twenty people at work";
const LEFT: f64 = 128.0;
const WIDTH: f64 = 648.0;
/// Milliseconds that the lower scale begins with; each of its steps is ten times the one below.
const LEAST: f64 = 1.0;

pub(crate) fn draw(visits: &[&Visit], restarts: &[Restart], began: Instant) -> String {
    let mut quarters = quarters(visits, began);
    // Neither the first nor the last is a whole quarter.
    let _ends = (quarters.pop_first(), quarters.pop_last());
    let (first, last) = (quarters.keys().min().copied(), quarters.keys().max().copied());
    let x = (f64::from(first.unwrap_or(0)) * QUARTER, f64::from(last.unwrap_or(0) + 1) * QUARTER);
    let lanes = as_float(restarts.len()) * 17.0;
    let mut drawing = Drawing::new(lanes + 506.0);
    let not_served = visits.iter().filter(|visit| visit.outcome != Outcome::Served).count();
    let about = format!(
        "{} requests, {not_served} of them not served. Who waits for an answer asks for nothing else meanwhile: a gap is \
         waiting.",
        visits.len()
    );
    drawing.text((24.0, 32.0), "title", TITLE);
    drawing.text((24.0, 52.0), "", &about);
    let time = Panel { at: (LEFT, 88.0), size: (WIDTH, lanes), x, y: (0.0, 1.0) };
    let rates = Panel { at: (LEFT, 88.0 + lanes + 44.0), size: (WIDTH, 150.0), ..time };
    let waits = Panel { at: (LEFT, rates.bottom() + 46.0), size: (WIDTH, 124.0), ..time };
    for restart in restarts {
        let x = time.across(restart.ended);
        drawing.line((x, time.at.1), (x, waits.bottom()), "grid");
    }
    lanes_of(&mut drawing, &time, restarts);
    rates_of(&mut drawing, &rates, &quarters);
    waits_of(&mut drawing, &waits, &quarters);
    drawing.finish(TITLE, &about)
}

fn quarters(visits: &[&Visit], began: Instant) -> BTreeMap<i32, Quarter> {
    let mut quarters: BTreeMap<i32, Quarter> = BTreeMap::new();
    for visit in visits {
        let after = visit.began.saturating_duration_since(began).as_secs_f64();
        let before = began.saturating_duration_since(visit.began).as_secs_f64();
        #[expect(clippy::cast_possible_truncation, reason = "a walk takes minutes")]
        let number = ((after - before) / QUARTER).floor() as i32;
        let quarter = quarters.entry(number).or_default();
        match visit.outcome {
            Outcome::Served => quarter.served += 1,
            Outcome::Unavailable => quarter.unavailable += 1,
            Outcome::NoAnswer => quarter.no_answer += 1,
            _ => quarter.other += 1,
        }
        quarter.waits.push(visit.took.as_secs_f64() * 1000.0);
    }
    quarters
}

/// Which container is away, and which is there and not yet known to be healthy.
fn lanes_of(drawing: &mut Drawing, time: &Panel, restarts: &[Restart]) {
    drawing.legend(
        (LEFT, 76.0),
        &[("fnone", "container is away"), ("fsoft", "has started, not yet known as healthy")],
    );
    let mut y = time.at.1;
    for restart in restarts {
        let service = |name: &str| name.trim_end_matches(char::is_numeric).to_owned();
        let alone =
            restarts.iter().filter(|other| service(&other.name) == service(&restart.name)).count() == 1;
        let name = if alone { service(&restart.name) } else { restart.name.clone() };
        drawing.text((LEFT - 8.0, y + 12.0), "end", name.trim_end());
        let (ended, started, healthy) =
            (time.across(restart.ended), time.across(restart.started), time.across(restart.healthy));
        drawing.rect((started, y + 4.0), (healthy - started, 9.0), "fsoft");
        // The shortest absence is still seen.
        drawing.rect((ended, y + 4.0), ((started - ended).max(2.0), 9.0), "fnone");
        y += 17.0;
    }
}

/// What people get, in requests a second.
fn rates_of(drawing: &mut Drawing, panel: &Panel, quarters: &BTreeMap<i32, Quarter>) {
    let all = |quarter: &Quarter| quarter.served + quarter.unavailable + quarter.no_answer + quarter.other;
    let most = quarters.values().map(all).max().unwrap_or(1);
    let panel = Panel { y: (0.0, f64::from(most) / QUARTER * 1.08), ..*panel };
    let mut entries = vec![("fgood", "served"), ("faway", "503, try again"), ("fnone", "no connection")];
    if quarters.values().any(|quarter| quarter.other > 0) {
        entries.push(("fplain", "anything else"));
    }
    drawing.legend((LEFT, panel.at.1 - 10.0), &entries);
    let rows: Vec<_> = ticks(panel.y, 4.0).into_iter().map(|value| (value, value.to_string())).collect();
    panel.rows(drawing, &rows);
    let width = panel.across(QUARTER) - panel.across(0.0);
    for (number, quarter) in quarters {
        let left = panel.across(f64::from(*number) * QUARTER);
        let mut below = 0.0;
        for (count, class) in [
            (quarter.served, "fgood"),
            (quarter.unavailable, "faway"),
            (quarter.no_answer, "fnone"),
            (quarter.other, "fplain"),
        ] {
            let above = f64::from(count).mul_add(1.0 / QUARTER, below);
            if count > 0 {
                let (top, bottom) = (panel.up(above), panel.up(below));
                drawing.rect((left, top), ((width - 0.4).max(0.6), bottom - top), class);
            }
            below = above;
        }
    }
    drawing.line((panel.at.0, panel.bottom()), (panel.right(), panel.bottom()), "axis");
    drawing.upwards((72.0, panel.at.1 + panel.size.1 / 2.0), "requests a second");
}

/// How long people wait: the middle and the slowest of each quarter.
fn waits_of(drawing: &mut Drawing, panel: &Panel, quarters: &BTreeMap<i32, Quarter>) {
    let slowest = |quarter: &Quarter| quarter.waits.iter().copied().fold(0.0, f64::max);
    let most = quarters.values().map(slowest).fold(10.0, f64::max);
    let scale = |milliseconds: f64| (milliseconds / LEAST).max(1.0).log10();
    let panel = Panel { y: (0.0, scale(most).ceil()), ..*panel };
    drawing.legend((LEFT, panel.at.1 - 10.0), &[("laway", "slowest"), ("lgood", "p50")]);
    let labels = ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"];
    let rows = labels.iter().zip(0_u8..).map(|(label, power)| (f64::from(power), (*label).to_owned()));
    panel.rows(drawing, &rows.filter(|(power, _)| *power <= panel.y.1).collect::<Vec<_>>());
    let middle = |number: i32| (f64::from(number) + 0.5) * QUARTER;
    // No line leads over a time without a request.
    let numbers: Vec<_> = quarters.keys().copied().collect();
    for stretch in numbers.chunk_by(|one, next| one + 1 == *next) {
        let line = |wait: &dyn Fn(&Quarter) -> f64| -> Vec<_> {
            let value = |number: &i32| panel.point((middle(*number), scale(wait(&quarters[number]))));
            stretch.iter().map(value).collect()
        };
        drawing.curve(&line(&slowest), "laway");
        drawing.curve(&line(&|quarter| median(quarter.waits.clone())), "lgood");
    }
    panel.foot(drawing, "seconds since the first container was told to end");
    drawing.upwards((72.0, panel.at.1 + panel.size.1 / 2.0), "wait for an answer");
}
