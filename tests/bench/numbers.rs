//! What was measured, as numbers that can be put beside those of other runs.
//!
//! Why: a line in a terminal is for the person who waits for it; how far a number can be trusted shows only beside the same
//! number of other runs.

use serde::{Deserialize, Serialize};

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Better {
    Higher,
    Lower,
    /// Anything but this is a failure.
    Exactly(f64),
}

/// One thing that is measured, with one value for each run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) part: String,
    pub(crate) what: String,
    pub(crate) unit: String,
    pub(crate) better: Better,
    pub(crate) aim: Option<f64>,
    pub(crate) values: Vec<f64>,
}

/// One part of the benchmarks, by its title.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part(pub(crate) &'static str);

impl Part {
    pub(crate) fn higher(self, what: impl Into<String>, unit: &str, values: &[f64]) -> Number {
        self.number(what.into(), unit, Better::Higher, values)
    }

    pub(crate) fn lower(self, what: impl Into<String>, unit: &str, values: &[f64]) -> Number {
        self.number(what.into(), unit, Better::Lower, values)
    }

    /// A count that must be `wanted`.
    pub(crate) fn exactly(self, what: impl Into<String>, wanted: usize, seen: usize) -> Number {
        self.number(what.into(), "", Better::Exactly(as_float(wanted)), &[as_float(seen)])
    }

    fn number(self, what: String, unit: &str, better: Better, values: &[f64]) -> Number {
        let (part, unit) = (self.0.to_owned(), unit.to_owned());
        Number { part, what, unit, better, aim: None, values: values.to_vec() }
    }
}

impl Number {
    pub(crate) fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    /// Smallest, middle and largest value.
    pub(crate) fn spread(&self) -> (f64, f64, f64) {
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (least, median(self.values.clone()), most)
    }

    /// Whether a run came to what must not be.
    pub(crate) fn failed(&self) -> bool {
        match self.better {
            Better::Exactly(wanted) => self.values.iter().any(|value| (value - wanted).abs() > 0.5),
            Better::Higher | Better::Lower => false,
        }
    }
}

/// Puts the values of one more run to those of the runs before.
pub(crate) fn merge(all: &mut Vec<Number>, more: Vec<Number>) {
    for number in more {
        let same = |known: &&mut Number| known.part == number.part && known.what == number.what;
        match all.iter_mut().find(same) {
            Some(known) => known.values.extend(number.values),
            None => all.push(number),
        }
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "for a person")]
pub(crate) fn as_float(count: usize) -> f64 {
    count as f64
}
