//! The cases, one file for each area.

mod get;

use super::Case;

/// The tables, in the order in which they are reported.
pub(super) const AREAS: &[&[Case]] = &[get::CASES];

/// The table of an area: names of functions, each with its flags.
macro_rules! cases {
    ($area:literal: $($name:ident $(($($flag:ident),+))?),* $(,)?) => {
        pub(super) const CASES: &[$crate::conformance::Case] = &[$(
            $crate::conformance::Case::new(concat!($area, "/", stringify!($name)), |lab| Box::pin($name(lab)))
                $($(.$flag())+)?
        ),*];
    };
}
use cases;
