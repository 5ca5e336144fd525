//! Draws pictures with axes, as SVG.
//!
//! Why: a picture in the manual should be read on a light page and on a dark one, at any size, and come out of the
//! measurement itself, with no program beside it.

use std::fmt::Write as _;

/// Left and top, right and bottom, or whatever comes in twos.
pub(crate) type Pair = (f64, f64);

const WIDTH: f64 = 800.0;
const STYLE: &str = "\
svg{--paper:#fff;--ink:#1f2328;--soft:#59636e;--grid:#e3e7eb;--edge:#c3cad1;--good:#2b7bb0;--tint:#2b7bb02b;--away:#e0982f;\
--none:#c0392f;--mark:#8a5a00;--plain:#7d8893}\
@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--soft:#9aa4af;--grid:#21272e;--edge:#3d444d;--good:#58a9dd;\
--tint:#58a9dd33;--away:#e6ab4d;--none:#f0685c;--mark:#f0c069;--plain:#8b949e}}\
text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:var(--soft)}\
.title{font-size:17px;font-weight:600;fill:var(--ink)}.strong{fill:var(--ink);font-weight:600}.mark{fill:var(--mark)}\
.end{text-anchor:end}.middle{text-anchor:middle}\
.paper{fill:var(--paper)}.grid{stroke:var(--grid)}.axis{stroke:var(--edge)}\
.fgood{fill:var(--good)}.faway{fill:var(--away)}.fnone{fill:var(--none)}.ftint{fill:var(--tint)}.fplain{fill:var(--plain)}\
.fband{fill:var(--away);opacity:.22}.fsoft{fill:var(--plain);opacity:.45}\
.lgood,.laway,.lnone,.lplain,.lmark,.lsoft,.dots{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\
.lgood{stroke:var(--good)}.laway{stroke:var(--away)}.lnone{stroke:var(--none)}.lplain{stroke:var(--plain);stroke-dasharray:1 5}\
.lmark{stroke:var(--mark);stroke-width:1.2;stroke-dasharray:4 3}.lsoft{stroke:var(--plain);stroke-width:1.6}\
.dots{stroke:var(--good);opacity:.55}";

/// A picture in the making.
#[derive(Debug)]
pub(crate) struct Drawing {
    height: f64,
    body: String,
}

impl Drawing {
    pub(crate) fn new(height: f64) -> Self {
        let mut drawing = Self { height, body: String::new() };
        drawing.rect((0.0, 0.0), (WIDTH, height), "paper");
        drawing
    }

    pub(crate) fn text(&mut self, at: Pair, class: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        writeln!(self.body, r#"<text class="{class}" x="{:.1}" y="{:.1}">{text}</text>"#, at.0, at.1)
            .unwrap();
    }

    /// A text that reads upwards, beside a panel.
    pub(crate) fn upwards(&mut self, at: Pair, text: &str) {
        let ((x, y), class) = (at, "middle");
        writeln!(
            self.body,
            r#"<text class="{class}" transform="translate({x:.1} {y:.1}) rotate(-90)">{text}</text>"#
        )
        .unwrap();
    }

    pub(crate) fn line(&mut self, from: Pair, to: Pair, class: &str) {
        let ((x, y), (right, bottom)) = (from, to);
        self.path(&format!("M{x:.1} {y:.1}L{right:.1} {bottom:.1}"), class);
    }

    pub(crate) fn rect(&mut self, at: Pair, size: Pair, class: &str) {
        let ((x, y), (width, height)) = (at, size);
        writeln!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
        )
        .unwrap();
    }

    pub(crate) fn path(&mut self, path: &str, class: &str) {
        writeln!(self.body, r#"<path class="{class}" d="{path}"/>"#).unwrap();
    }

    /// A line through these points.
    pub(crate) fn curve(&mut self, points: &[Pair], class: &str) {
        self.path(&through(points), class);
    }

    /// Colours and what they stand for, in a row from `at`.
    pub(crate) fn legend(&mut self, at: Pair, entries: &[(&str, &str)]) {
        let (mut x, y) = at;
        for (class, text) in entries {
            if class.starts_with('l') {
                self.line((x, y - 4.0), (x + 16.0, y - 4.0), class);
            } else {
                self.rect((x + 2.0, y - 10.0), (12.0, 12.0), class);
            }
            self.text((x + 22.0, y), "", text);
            x += crate::numbers::as_float(text.chars().count()).mul_add(6.1, 44.0);
        }
    }

    /// The whole file.
    pub(crate) fn finish(self, title: &str, description: &str) -> String {
        let (height, body) = (self.height, self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             role=\"img\">\n<title>{title}</title>\n<desc>{description}</desc>\n<style>{STYLE}</style>\n{body}</svg>\n"
        )
    }
}

/// The path of a line through these points.
pub(crate) fn through(points: &[Pair]) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let step = if path.is_empty() { 'M' } else { 'L' };
        write!(path, "{step}{x:.1} {y:.1}").unwrap();
    }
    path
}

/// Part of a picture with two axes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel {
    pub(crate) at: Pair,
    pub(crate) size: Pair,
    /// What its left and right side, and its bottom and top stand for.
    pub(crate) x: Pair,
    pub(crate) y: Pair,
}

impl Panel {
    pub(crate) fn across(&self, value: f64) -> f64 {
        self.at.0 + (value - self.x.0) / (self.x.1 - self.x.0) * self.size.0
    }

    pub(crate) fn up(&self, value: f64) -> f64 {
        self.at.1 + self.size.1 - (value - self.y.0) / (self.y.1 - self.y.0) * self.size.1
    }

    pub(crate) fn point(&self, (x, y): Pair) -> Pair {
        (self.across(x), self.up(y))
    }

    pub(crate) fn right(&self) -> f64 {
        self.at.0 + self.size.0
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.at.1 + self.size.1
    }

    /// Lines across at these values, each with its label on the left.
    pub(crate) fn rows(&self, drawing: &mut Drawing, rows: &[(f64, String)]) {
        for (value, label) in rows {
            let y = self.up(*value);
            drawing.line((self.at.0, y), (self.right(), y), "grid");
            drawing.text((self.at.0 - 8.0, y + 4.0), "end", label);
        }
    }

    /// The axis below with ticks, labels and what it is.
    pub(crate) fn foot(&self, drawing: &mut Drawing, title: &str) {
        let y = self.bottom();
        drawing.line((self.at.0, y), (self.right(), y), "axis");
        for value in ticks(self.x, (self.size.0 / 80.0).max(3.0)) {
            let x = self.across(value);
            drawing.line((x, y), (x, y + 4.0), "axis");
            drawing.text((x, y + 17.0), "middle", &value.to_string());
        }
        drawing.text((self.at.0 + self.size.0 / 2.0, y + 34.0), "middle", title);
    }
}

/// Round numbers between two, about so many.
pub(crate) fn ticks((from, to): Pair, about: f64) -> Vec<f64> {
    let rough = (to - from) / about.max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let mut ticks = Vec::new();
    let mut number = (from / step).ceil();
    while number * step <= step.mul_add(1e-6, to) {
        // Minus nought is no label; and no label has the rounding of a product.
        ticks.push((number * step * 1e6).round() / 1e6 + 0.0);
        number += 1.0;
    }
    ticks
}
