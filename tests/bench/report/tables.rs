//! Numbers as Markdown.

use std::fmt::Write as _;

use crate::numbers::{Better, Number};

/// One table for each part.
pub(crate) fn of_numbers(numbers: &[Number]) -> String {
    let mut text = String::new();
    let mut part = "";
    for number in numbers {
        if number.part != part {
            part = &number.part;
            write!(text, "\n### {part}\n\n| what | median | min–max | unit | runs | better | aim |\n")
                .unwrap();
            text += "|---|---:|---:|---|---:|---|---:|\n";
        }
        let (least, middle, most) = number.spread();
        let aim = number.aim.map(|aim| aim.to_string()).unwrap_or_default();
        let better = match number.better {
            Better::Higher => "higher".to_owned(),
            Better::Lower => "lower".to_owned(),
            Better::Exactly(wanted) => format!("just {wanted}"),
        };
        let (what, unit, runs) = (&number.what, &number.unit, number.values.len());
        let (least, middle, most) = (short(least), short(middle), short(most));
        writeln!(text, "| {what} | {middle} | {least}–{most} | {unit} | {runs} | {better} | {aim} |")
            .unwrap();
    }
    text
}

/// What is said of a count that is not what it must be.
pub(crate) fn failure(number: &Number) -> String {
    format!("{}: {}: {:?}, where it must be {:?}", number.part, number.what, number.values, number.better)
}

/// Three digits that count, and no more.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 || large.fract() == 0.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
