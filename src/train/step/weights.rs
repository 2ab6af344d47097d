//! The step of the weights of one connection, fused with their statistics.

use super::{
    centering::TileCenter,
    evidence::LabelGradient,
    rule::{Rates, StepTile},
};
use crate::{
    matrix::{Matrix, MatrixViewMut},
    product::{Statistics, StatisticsTile, for_each_tile},
    simd::dispatch,
};

/// Steps the weights rectangle by rectangle; the gradient of those of labels comes on top where
/// rectangles meet them.
pub(super) fn update_weights(
    statistics: &Statistics<'_>,
    labels: Option<&LabelGradient>,
    weights: &mut Matrix,
    first: &mut Matrix,
    second: Option<&mut Matrix>,
    center: Option<TileCenter<'_>>,
    rates: Rates,
) {
    let update = |mut tile: StatisticsTile<'_>,
                  [parameter, first]: [MatrixViewMut<'_>; 2],
                  second: Option<MatrixViewMut<'_>>| {
        if let Some(labels) = labels {
            labels.add_to_tile(&mut tile, [parameter.rows(), parameter.columns()]);
        }
        dispatch(StepTile {
            gradient: tile.values,
            stride: tile.stride,
            first,
            second,
            parameter,
            center: center.map(|center| TileCenter {
                at: tile.at,
                ..center
            }),
            rates,
        });
    };
    let (weights, first) = (weights.view_mut(), first.view_mut());
    match second {
        None => for_each_tile(statistics, [weights, first], &|tile, [w, s]| {
            update(tile, [w, s], None);
        }),
        Some(second) => {
            let second = second.view_mut();
            for_each_tile(statistics, [weights, first, second], &|tile, [w, s, q]| {
                update(tile, [w, s], Some(q));
            });
        }
    }
}
