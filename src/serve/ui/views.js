// SPDX-License-Identifier: GPL-3.0-or-later
// Which view shows what the first part of the address names. A view: title(args), render(context) → nodes; `section`
// when another entry of the navigation is current. A context: args and query of the address, `head` (the line of the
// heading), `signal` that ends with the view, refresh() to make it anew.

import { audit } from "./view_audit.js";
import { events } from "./view_events.js";
import { findings } from "./view_findings.js";
import { history } from "./view_history.js";
import { journal } from "./view_journal.js";
import { overview } from "./view_overview.js";
import { product } from "./view_product.js";
import { products } from "./view_products.js";
import { trash } from "./view_trash.js";

export const views = { overview, products, product, findings, trash, history, audit, events, journal };
