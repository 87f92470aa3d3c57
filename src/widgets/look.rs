//! Appearance of a widget: the `theme`, `color` and `lang` parameters, parsed.
//!
//! - An invalid value falls back to its default; a widget never fails because of its appearance.
//! - The accent has a contrast of at least 3:1 with the card in both themes (WCAG 1.4.11), whichever color was
//!   requested; text never uses it.

use super::words::Lang;

/// Light or dark, or the visitor's system preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Follows `prefers-color-scheme`.
    #[default]
    Auto,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// An opaque sRGB color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

/// The options of one widget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Light, dark or automatic.
    pub theme: Theme,
    /// The accent, as requested.
    pub color: Color,
    /// The language of texts and numbers.
    pub lang: Lang,
}

/// The colors of one theme.
struct Palette {
    surface: Color,
    ink: Color,
    muted: Color,
    line: Color,
    /// The color mixed into the accent until it is visible on the surface.
    toward: Color,
    /// The minimum contrast of the accent with the surface: thin strokes need more of it on a dark one.
    contrast: f64,
    /// Opacity of the accent's tint, in percent.
    tint: u8,
}

const LIGHT: Palette = Palette {
    surface: Color::new(0xff, 0xff, 0xff),
    ink: Color::new(0x12, 0x16, 0x1e),
    muted: Color::new(0x5a, 0x63, 0x72),
    line: Color::new(0xe4, 0xe7, 0xec),
    toward: Color::new(0x00, 0x00, 0x00),
    contrast: 3.0,
    tint: 20,
};

const DARK: Palette = Palette {
    surface: Color::new(0x15, 0x18, 0x1e),
    ink: Color::new(0xf3, 0xf5, 0xf8),
    muted: Color::new(0x9d, 0xa6, 0xb5),
    line: Color::new(0x2b, 0x30, 0x39),
    toward: Color::new(0xff, 0xff, 0xff),
    contrast: 4.5,
    tint: 28,
};

impl Theme {
    /// `light`, `dark` or `auto`, case-insensitive; anything else is `auto`.
    #[must_use]
    pub fn parse(value: Option<&str>) -> Self {
        match value.map(|value| value.trim().to_ascii_lowercase()).as_deref() {
            Some("light") => Self::Light,
            Some("dark") => Self::Dark,
            _ => Self::Auto,
        }
    }
}

impl Default for Color {
    /// Footfall's green.
    fn default() -> Self {
        Self::new(0x1f, 0x7a, 0x5c)
    }
}

impl Color {
    const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// `#RRGGBB`, with or without the `#`; anything else is the default.
    #[must_use]
    pub fn parse(value: Option<&str>) -> Self {
        value.and_then(Self::from_hex).unwrap_or_default()
    }

    fn from_hex(value: &str) -> Option<Self> {
        let value = value.trim();
        let digits = value.strip_prefix('#').unwrap_or(value);
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self::new(red, green, blue))
    }

    /// In CSS syntax.
    #[must_use]
    pub fn css(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }

    /// The contrast ratio of WCAG 2, from 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }

    /// This color mixed with `percent` (0 to 100) of another one.
    fn mixed(self, other: Self, percent: u8) -> Self {
        let mix = |from: u8, to: u8| {
            let percent = u32::from(percent.min(100));
            let sum = u32::from(from) * (100 - percent) + u32::from(to) * percent;
            u8::try_from((sum + 50) / 100).unwrap_or(u8::MAX)
        };
        Self::new(mix(self.red, other.red), mix(self.green, other.green), mix(self.blue, other.blue))
    }
}

impl Palette {
    /// The accent, adjusted just enough to be visible on this theme's card.
    fn accent(&self, color: Color) -> Color {
        (0..=100)
            .step_by(2)
            .map(|percent| color.mixed(self.toward, percent))
            .find(|candidate| candidate.contrast(self.surface) >= self.contrast)
            .unwrap_or(self.toward)
    }

    fn css(&self, color: Color) -> String {
        let accent = self.accent(color);
        format!(
            "--surface:{};--ink:{};--muted:{};--line:{};--accent:{};--tint:{}",
            self.surface.css(),
            self.ink.css(),
            self.muted.css(),
            self.line.css(),
            accent.css(),
            self.surface.mixed(accent, self.tint).css()
        )
    }
}

impl Look {
    /// The parameters in the query string.
    #[must_use]
    pub fn parse(theme: Option<&str>, color: Option<&str>, lang: Option<&str>) -> Self {
        Self { theme: Theme::parse(theme), color: Color::parse(color), lang: Lang::parse(lang) }
    }

    /// The CSS rules that set the custom properties `--surface`, `--ink`, `--muted`, `--line`, `--accent`, `--tint`.
    #[must_use]
    pub fn css(&self) -> String {
        let (light, dark) = (LIGHT.css(self.color), DARK.css(self.color));
        match self.theme {
            Theme::Light => format!(":root{{{light}}}"),
            Theme::Dark => format!(":root{{{dark}}}"),
            Theme::Auto => format!(":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_falls_back() {
        for bad in [None, Some(""), Some("midnight"), Some("light;dark"), Some("\"><script>")] {
            assert_eq!(Theme::parse(bad), Theme::Auto, "{bad:?}");
        }
        for bad in
            [None, Some(""), Some("#fff"), Some("red"), Some("#12345g"), Some("+12345"), Some("##12345"), Some("äöü")]
        {
            assert_eq!(Color::parse(bad), Color::default(), "{bad:?}");
        }
        assert_eq!(Look::parse(None, None, None), Look::default());
    }

    #[test]
    fn what_can_be_used_is_used() {
        assert_eq!(Theme::parse(Some("Dark")), Theme::Dark);
        assert_eq!(Theme::parse(Some(" light ")), Theme::Light);
        assert_eq!(Color::parse(Some("#FF8000")).css(), "#ff8000");
        assert_eq!(Color::parse(Some("ff8000")).css(), "#ff8000");
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        let (black, white) = (Color::new(0, 0, 0), Color::new(255, 255, 255));
        assert!((black.contrast(white) - 21.0).abs() < 1e-9);
        assert!((Color::new(0x76, 0x76, 0x76).contrast(white) - 4.54).abs() < 0.01);
    }

    #[test]
    fn texts_reach_aa_in_both_themes() {
        for palette in [LIGHT, DARK] {
            assert!(palette.ink.contrast(palette.surface) >= 7.0);
            assert!(palette.muted.contrast(palette.surface) >= 4.5);
        }
    }

    #[test]
    fn every_accent_can_be_seen_in_both_themes() {
        for step in 0..=0xfff_u32 {
            let channel = |shift: u32| u8::try_from((step >> shift) & 0xf).unwrap() * 17;
            let color = Color::new(channel(8), channel(4), channel(0));
            for palette in [LIGHT, DARK] {
                assert!(palette.accent(color).contrast(palette.surface) >= palette.contrast, "{color:?}");
            }
        }
    }

    #[test]
    fn a_fit_accent_stays_as_it_was_asked_for() {
        let blue = Color::new(0x3b, 0x7d, 0xf0);
        assert_eq!((LIGHT.accent(blue), DARK.accent(blue)), (blue, blue));
        assert_eq!(LIGHT.accent(Color::default()), Color::default());
        assert_ne!(LIGHT.accent(Color::new(255, 255, 255)), Color::new(255, 255, 255));
    }

    #[test]
    fn only_the_automatic_theme_asks_the_system() {
        let css = |theme| Look { theme, ..Look::default() }.css();
        assert!(css(Theme::Auto).contains("prefers-color-scheme"));
        assert!(!css(Theme::Light).contains("prefers-color-scheme"));
        assert!(css(Theme::Dark).contains(&DARK.surface.css()) && !css(Theme::Dark).contains(&LIGHT.surface.css()));
    }
}
