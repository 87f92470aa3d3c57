//! Approximate memory of a cached result, precise enough to bound the sum.

use std::mem::size_of;

use schema::analytics::plan::{Answer, Basis, KeyedSums, PageRow, Panel, Sums, VisitorRow};

/// Bytes of one entry: key and value.
pub(super) fn cache_size(basis: &Basis, panel: &Panel, answer: &Answer) -> u32 {
    let bytes = size_of::<(Basis, Panel, u64, Answer)>() + of_basis(basis) + of_panel(panel) + of_answer(answer);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn of_basis(basis: &Basis) -> usize {
    let filters: usize = basis.filters.iter().flat_map(|filter| &filter.values).map(|value| 64 + value.len()).sum();
    filters + basis.goals.bytes()
}

fn of_panel(panel: &Panel) -> usize {
    match panel {
        Panel::Series { edges, .. } => edges.len() * size_of::<i64>(),
        Panel::Pages { paths } => paths.iter().map(|path| 24 + path.len()).sum(),
        Panel::Breakdown { property, after, search, .. } => {
            let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            text(property) + text(search) + after.as_ref().map_or(0, |after| after.key.len())
        }
        Panel::Totals { .. } | Panel::Visitors { .. } => 0,
    }
}

fn of_answer(answer: &Answer) -> usize {
    match answer {
        Answer::Totals(_) => 0,
        Answer::Series(rows) => rows.len() * size_of::<(usize, Sums)>(),
        Answer::Breakdown { rows, .. } => rows.iter().map(|row| size_of::<KeyedSums>() + row.key.len()).sum(),
        Answer::Pages(rows) => rows.iter().map(|row| size_of::<PageRow>() + row.title.len()).sum(),
        Answer::Visitors { rows, .. } => rows
            .iter()
            // Short texts share an allocation's least size.
            .map(|row| size_of::<VisitorRow>() + 7 * 16 + row.entry_page.len() + row.referrer.len())
            .sum(),
    }
}
