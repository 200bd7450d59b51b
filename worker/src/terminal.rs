//! Text from outside on a terminal.

/// Text that cannot act on a terminal: control characters and marks that turn the direction of writing are replaced.
pub fn plain(text: &str) -> String {
    let acts = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if acts(letter) { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_acts_is_replaced_and_what_is_written_stays() {
        assert_eq!(
            plain("Thorax äöü 胸 \t\u{1b}[2J\u{202e}gnp"),
            "Thorax äöü 胸 \u{fffd}\u{fffd}[2J\u{fffd}gnp"
        );
    }
}
