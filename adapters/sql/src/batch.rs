//! Statements about several rows at once, in few sizes so that they stay prepared.

/// The placeholders of `rows` rows of `columns` columns: `($1, $2), ($3, $4)`.
pub(crate) fn tuples(first: usize, columns: usize, rows: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            if column > 0 {
                text.push_str(", ");
            }
            text.push('$');
            text.push_str(&(first + row * columns + column).to_string());
        }
        text.push(')');
    }
    text
}

/// The items in pieces of 100, 10 and 1.
pub(crate) fn pieces<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    let (hundreds, rest) = items.split_at(items.len() / 100 * 100);
    let (tens, ones) = rest.split_at(rest.len() / 10 * 10);
    hundreds
        .chunks(100)
        .chain(tens.chunks(10))
        .chain(ones.chunks(1))
}

/// The items, the last one repeated until they are 1, 10, 100 or a multiple of 1000: for lists in
/// which repetition says nothing.
pub(crate) fn padded<T>(items: &[T]) -> impl ExactSizeIterator<Item = &T> {
    let size = match items.len() {
        0 => 0,
        1 => 1,
        2..=10 => 10,
        11..=100 => 100,
        more => more.div_ceil(1000) * 1000,
    };
    (0..size).map(|index| &items[index.min(items.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered() {
        assert_eq!(tuples(2, 2, 2), "($2, $3), ($4, $5)");
    }

    #[test]
    fn pieces_hold_everything_once() {
        let items: Vec<usize> = (0..1234).collect();
        let sizes: Vec<usize> = pieces(&items).map(<[usize]>::len).collect();
        assert_eq!(sizes.len(), 12 + 3 + 4);
        assert_eq!(pieces(&items).flatten().copied().collect::<Vec<_>>(), items);
    }

    #[test]
    fn padding_repeats_the_last() {
        assert_eq!(padded(&[1, 2]).copied().sum::<i32>(), 1 + 2 * 9);
        assert_eq!(padded::<i32>(&[]).len(), 0);
        assert_eq!(padded(&[7; 101]).len(), 1000);
    }
}
