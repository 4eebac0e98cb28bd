//! What the plan decided, each choice with its reason.

use crate::About;
use crate::html::{Html, Prose};

pub(crate) fn body(about: &About<'_>) -> Html {
    let mut out = Html::new();
    if about.plan.reasons.is_empty() {
        return out;
    }
    // Roles are written out because the narrow layout takes the table's display away. A cell's value
    // is one element: there it stands beside its label in a grid.
    out.raw(
        "<table class=\"stack\" role=\"table\">\n<thead role=\"rowgroup\"><tr role=\"row\">\
         <th role=\"columnheader\" scope=\"col\">Choice</th>\
         <th role=\"columnheader\" scope=\"col\">Because</th>\
         <th role=\"columnheader\" scope=\"col\">Rule</th>\
         <th role=\"columnheader\" scope=\"col\">Source</th></tr></thead>\n\
         <tbody role=\"rowgroup\">\n",
    );
    for reason in &about.plan.reasons {
        out.put(
            "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\">{}</th>\
             <td role=\"cell\" data-label=\"because\"><div>{}</div></td>\
             <td role=\"cell\" data-label=\"rule\"><div>{}</div></td>\
             <td role=\"cell\" data-label=\"source\"><div>{}</div></td></tr>\n",
            &[
                &Prose(&reason.choice),
                &Prose(&reason.because),
                &Prose(&reason.rule),
                &Prose(&reason.source),
            ],
        );
    }
    out.raw("</tbody>\n</table>\n");
    out
}
