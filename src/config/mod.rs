//! Text settings to a [`Plan`](crate::plan::Plan).
