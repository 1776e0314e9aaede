//! Curves as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// Size of a plot in pixels.
const SIZE: (u32, u32) = (760, 380);

/// The smallest value on a logarithmic axis.
const LOG_MIN: f64 = 0.01;

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
}

impl Axis {
    pub(crate) fn linear(label: &str) -> Self {
        Self { label: label.into(), logarithmic: false }
    }

    pub(crate) fn log(label: &str) -> Self {
        Self { label: label.into(), logarithmic: true }
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
}

impl Plot {
    pub(crate) fn new(file: &str, title: &str, x: Axis, y: Axis) -> Self {
        Self { file: file.into(), title: title.into(), x, y, curves: Vec::new() }
    }

    pub(crate) fn add(&mut self, curve: Curve) {
        self.curves.push(curve);
    }

    fn largest(&self, pick: impl Fn(&(f64, f64)) -> f64) -> f64 {
        self.curves.iter().flat_map(|curve| &curve.points).map(pick).fold(0.0, f64::max)
    }

    /// Draws it into `folder`.
    pub(crate) fn draw(&self, folder: &Path) -> Result<()> {
        let path = folder.join(format!("{}.svg", self.file));
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let (right, top) = (self.largest(|point| point.0).max(LOG_MIN * 10.0), self.largest(|point| point.1));
        let (right, top) = (right * 1.05, (top * 1.08).max(1e-6));
        let mut builder = ChartBuilder::on(&area);
        builder
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(56);
        if self.x.logarithmic {
            let chart = builder.build_cartesian_2d((LOG_MIN..right).log_scale(), 0.0..top).map_err(failed)?;
            self.curves_on(chart)?;
        } else {
            let chart = builder.build_cartesian_2d(0.0..right, 0.0..top).map_err(failed)?;
            self.curves_on(chart)?;
        }
        area.present().map_err(failed)
    }

    fn curves_on<'a, X>(
        &self,
        mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, plotters::coord::types::RangedCoordf64>>,
    ) -> Result<()>
    where
        X: 'a + Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
    {
        chart
            .configure_mesh()
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .light_line_style(WHITE)
            .draw()
            .map_err(failed)?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let colour = *colour;
            let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2));
            let drawn = chart.draw_series(line).map_err(failed)?;
            drawn
                .label(&curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        let labels = &mut chart.configure_series_labels();
        labels
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3));
        labels.draw().map_err(failed)
    }
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
        plot.draw(&folder).unwrap();
        let svg = std::fs::read_to_string(folder.join("p.svg")).unwrap();
        assert!(svg.contains("Waiting") && svg.contains("quick") && svg.contains("<polyline"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
