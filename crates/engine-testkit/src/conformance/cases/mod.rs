//! The cases, one file for each area.

mod get;
mod writes;

use super::Case;

/// The table of an area whose cases are scripts in a file beside this one.
macro_rules! scripts {
    ($area:literal, $file:literal: $($name:ident),* $(,)?) => {
        pub(in crate::conformance::cases) const CASES: &[$crate::conformance::Case] = &[$(
            $crate::conformance::Case::new(concat!($area, "/", stringify!($name)), |lab| {
                Box::pin(SCRIPTS.play(lab, stringify!($name)))
            })
        ),*];

        static SCRIPTS: $crate::conformance::script::Scripts =
            $crate::conformance::script::Scripts::of(include_str!($file));

        #[cfg(test)]
        #[test]
        fn every_script_is_a_case() {
            let mut names = vec![$(stringify!($name)),*];
            names.sort_unstable();
            assert_eq!(SCRIPTS.names(), names);
        }
    };
}
use scripts;

/// The tables, in the order in which they are reported.
pub(super) const AREAS: &[&[Case]] = &[
    get::CASES,
    // Scripts.
    writes::create::CASES,
    writes::update::CASES,
    writes::patch::CASES,
    writes::apply::CASES,
    writes::delete::CASES,
    writes::defaults::CASES,
    writes::immutable::CASES,
    writes::validation::CASES,
    writes::crd::CASES,
    writes::custom::CASES,
];

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
