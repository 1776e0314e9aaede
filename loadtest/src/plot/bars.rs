//! The budget at a glance: a bar for each line, to the right of the middle where its aim is reached, to the left where it
//! is missed.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::failed;
use crate::budget::{Finding, Line};

const WIDTH: i32 = 1000;
const ROW: i32 = 30;
const TOP: i32 = 62;
const BOTTOM: i32 = 34;

/// Where the bars begin and end; left of them the line's words, right of them what was measured.
const LEFT: i32 = 430;
const RIGHT: i32 = 800;

/// The ends of the scale: eight times worse, eight times better.
const SCALE: f64 = 8.0;

const REACHED: RGBColor = RGBColor(0, 114, 178);
const MISSED: RGBColor = RGBColor(213, 94, 0);
const GREY: RGBColor = RGBColor(120, 120, 120);

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws it as `budget.svg`.
pub(crate) fn draw(folder: &Path, findings: &[Finding]) -> Result<()> {
    let rows = i32::try_from(findings.len())?;
    let height = TOP + ROW * rows + BOTTOM;
    let path = folder.join("budget.svg");
    let area = SVGBackend::new(&path, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    text(&area, "The budget: aimed at, and measured", (WIDTH / 2, 16), 20, BLACK, HPos::Center)?;
    text(&area, "aim missed", (at(0.5), 46), 13, MISSED, HPos::Center)?;
    text(&area, "aim reached", (at(2.0), 46), 13, REACHED, HPos::Center)?;
    for (score, label) in [
        (0.125, "8 × worse"),
        (0.25, "4 ×"),
        (0.5, "2 ×"),
        (1.0, "aim"),
        (2.0, "2 ×"),
        (4.0, "4 ×"),
        (8.0, "8 × better"),
    ] {
        let style = if score == 1.0 { BLACK.stroke_width(2) } else { BLACK.mix(0.15).stroke_width(1) };
        let line = PathElement::new([(at(score), TOP - 4), (at(score), TOP + ROW * rows)], style);
        area.draw(&line).map_err(failed)?;
        text(&area, label, (at(score), TOP + ROW * rows + 14), 12, GREY, HPos::Center)?;
    }
    for (row, finding) in (0..).zip(findings) {
        bar(&area, TOP + ROW * row, finding)?;
    }
    area.present().map_err(failed)
}

fn bar(area: &Area<'_>, top: i32, finding: &Finding) -> Result<()> {
    let middle = top + ROW / 2;
    let colour = if finding.reached() { REACHED } else { MISSED };
    text(area, finding.line.what(), (LEFT - 12, middle), 13, BLACK, HPos::Right)?;
    match finding.score() {
        Some(score) => {
            let (from, to) = (at(1.0), at(score.clamp(1.0 / SCALE, SCALE)));
            // An aim that is just reached is seen, too.
            let to = if (from - to).abs() < 3 { from + if finding.reached() { 3 } else { -3 } } else { to };
            let corners = [(from.min(to), top + 7), (from.max(to), top + ROW - 7)];
            area.draw(&Rectangle::new(corners, colour.filled())).map_err(failed)?;
        }
        None => area.draw(&Circle::new((at(1.0), middle), 6, colour.filled())).map_err(failed)?,
    }
    let aim = if finding.line == Line::Lost || finding.line == Line::PausedUpstream {
        "0".into()
    } else {
        finding.line.aim()
    };
    let words = format!("{} (aim {aim})", finding.value_alone());
    text(area, &words, (RIGHT + 12, middle), 13, colour, HPos::Left)
}

/// Where a score stands: the same way for twice as good as for half as good.
fn at(score: f64) -> i32 {
    let share = (score.ln() / SCALE.ln() + 1.0) / 2.0;
    LEFT + (f64::from(RIGHT - LEFT) * share).round() as i32
}

fn text(
    area: &Area<'_>,
    words: &str,
    at: (i32, i32),
    size: i32,
    colour: RGBColor,
    anchor: HPos,
) -> Result<()> {
    let style = ("sans-serif", size).into_font().color(&colour).pos(Pos::new(anchor, VPos::Center));
    area.draw(&Text::new(words.to_owned(), at, style)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aim_is_in_the_middle_and_twice_is_as_far_as_half() {
        assert_eq!(at(1.0), (LEFT + RIGHT) / 2);
        assert_eq!(at(2.0) - at(1.0), at(1.0) - at(0.5));
        assert_eq!((at(1.0 / SCALE), at(SCALE)), (LEFT, RIGHT));
    }

    #[test]
    fn every_line_has_its_bar() {
        let folder = std::env::temp_dir().join(format!("countersign-bars-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let findings = [Finding::new(Line::Failover, 0.5, ""), Finding::new(Line::Lost, 0.0, "")];
        draw(&folder, &findings).unwrap();
        let svg = std::fs::read_to_string(folder.join("budget.svg")).unwrap();
        assert!(svg.contains(Line::Failover.what()) && svg.contains(Line::Lost.what()), "{svg}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
