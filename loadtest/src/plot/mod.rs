//! Curves as SVG.

pub(crate) mod bars;

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Size of a plot in pixels.
const SIZE: (u32, u32) = (800, 400);

/// Colours that people with any colour vision tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// An axis.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    label: String,
    logarithmic: bool,
    share: bool,
}

impl Axis {
    pub(crate) fn linear(label: &str) -> Self {
        Self { label: label.into(), logarithmic: false, share: false }
    }

    /// The share of all that does not exceed a value.
    pub(crate) fn share() -> Self {
        Self { share: true, ..Self::linear("share of all") }
    }

    pub(crate) fn log(label: &str) -> Self {
        Self { label: label.into(), logarithmic: true, share: false }
    }
}

/// One curve.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A plot of some curves.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    /// The name of its file, without `.svg`.
    pub(crate) file: String,
    title: String,
    x: Axis,
    y: Axis,
    curves: Vec<Curve>,
    marks: Vec<Mark>,
}

/// A value that matters.
#[derive(Debug, Clone)]
struct Mark {
    value: f64,
    name: String,
    /// On the first axis.
    upright: bool,
}

impl Plot {
    pub(crate) fn new(file: &str, title: &str, x: Axis, y: Axis) -> Self {
        Self { file: file.into(), title: title.into(), x, y, curves: Vec::new(), marks: Vec::new() }
    }

    pub(crate) fn add(&mut self, curve: Curve) {
        self.curves.push(curve);
    }

    /// Marks a value of the first axis: an aim.
    pub(crate) fn mark_x(&mut self, value: f64, name: &str) {
        self.marks.push(Mark { value, name: name.into(), upright: true });
    }

    /// The same of the second axis.
    pub(crate) fn mark_y(&mut self, value: f64, name: &str) {
        self.marks.push(Mark { value, name: name.into(), upright: false });
    }

    /// All values of one axis, aims included.
    fn values(&self, upright: bool) -> impl Iterator<Item = f64> {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        let points = points.map(move |point| if upright { point.0 } else { point.1 });
        points.chain(self.marks.iter().filter(move |mark| mark.upright == upright).map(|mark| mark.value))
    }

    /// Draws it into `folder`.
    pub(crate) fn draw(&self, folder: &Path) -> Result<()> {
        let path = folder.join(format!("{}.svg", self.file));
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let (left, right) = decades(self.values(true));
        let top = if self.y.share { 1.0 } else { self.values(false).fold(1e-6, f64::max) * 1.15 };
        let mut builder = ChartBuilder::on(&area);
        builder
            .caption(&self.title, ("sans-serif", 19))
            .margin(14)
            .margin_right(28)
            .x_label_area_size(42)
            .y_label_area_size(58);
        if self.x.logarithmic {
            let chart = builder.build_cartesian_2d((left..right).log_scale(), 0.0..top).map_err(failed)?;
            self.curves_on(chart, (left, right), top)?;
        } else {
            let right = self.values(true).fold(1e-6, f64::max) * 1.05;
            let chart = builder.build_cartesian_2d(0.0..right, 0.0..top).map_err(failed)?;
            self.curves_on(chart, (0.0, right), top)?;
        }
        area.present().map_err(failed)
    }

    fn curves_on<'a, X>(
        &self,
        mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, plotters::coord::types::RangedCoordf64>>,
        (left, right): (f64, f64),
        top: f64,
    ) -> Result<()>
    where
        X: 'a + Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
    {
        let share = self.y.share;
        chart
            .configure_mesh()
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .x_label_formatter(&|value: &f64| readable(*value))
            .y_label_formatter(&|value: &f64| {
                if share { format!("{:.0} %", value * 100.0) } else { readable(*value) }
            })
            .bold_line_style(BLACK.mix(0.12))
            .light_line_style(WHITE)
            .label_style(("sans-serif", 13))
            .axis_desc_style(("sans-serif", 14))
            .draw()
            .map_err(failed)?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let colour = *colour;
            let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2))
                .point_size(if curve.points.len() < 20 { 4 } else { 0 });
            let drawn = chart.draw_series(line).map_err(failed)?;
            drawn
                .label(&curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
        }
        for mark in &self.marks {
            let ends = match mark.upright {
                true => [(mark.value, 0.0), (mark.value, top)],
                false => [(left, mark.value), (right, mark.value)],
            };
            let line = DashedLineSeries::new(ends, 6, 4, BLACK.mix(0.6).stroke_width(1));
            let drawn = chart.draw_series(line).map_err(failed)?;
            drawn.label(&mark.name).legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK.mix(0.6)));
        }
        let labels = &mut chart.configure_series_labels();
        labels
            .position(if share { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight })
            .margin(12)
            .label_font(("sans-serif", 13))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3));
        labels.draw().map_err(failed)
    }
}

/// The powers of ten around all values, at least one apart.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values
        .filter(|value| *value > 0.0)
        .fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    if most == 0.0 {
        return (0.1, 10.0);
    }
    let left = 10_f64.powf(least.log10().floor());
    (left, 10_f64.powf(most.log10().ceil()).max(left * 10.0))
}

/// A number on an axis: no more digits than it needs, thousands apart.
fn readable(value: f64) -> String {
    if value.abs() >= 1000.0 {
        let value = value.round() as i64;
        return if value.abs() >= 10_000 || value % 1000 == 0 {
            format!("{},{:03}", value / 1000, value % 1000)
        } else {
            value.to_string()
        };
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_an_svg_with_its_names() {
        let folder = std::env::temp_dir().join(format!("countersign-plot-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut plot = Plot::new("p", "Waiting", Axis::log("ms"), Axis::linear("share"));
        plot.add(Curve { name: "quick".into(), points: vec![(0.5, 0.1), (2.0, 1.0)] });
        plot.mark_x(1.0, "as aimed");
        plot.draw(&folder).unwrap();
        let svg = std::fs::read_to_string(folder.join("p.svg")).unwrap();
        assert!(svg.contains("as aimed"));
        assert!(svg.contains("Waiting") && svg.contains("quick") && svg.contains("<polyline"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_logarithmic_axis_reaches_to_whole_decades() {
        assert_eq!(decades([0.5, 42.0].into_iter()), (0.1, 100.0));
        assert_eq!(decades([2.0].into_iter()), (1.0, 10.0));
        assert_eq!(decades([].into_iter()), (0.1, 10.0));
    }

    #[test]
    fn numbers_have_no_more_digits_than_they_need() {
        let texts = [0.1, 5.0, 12.5, 1000.0, 20_000.0, 1500.0].map(readable);
        assert_eq!(texts, ["0.1", "5", "12.5", "1,000", "20,000", "1500"]);
    }
}
