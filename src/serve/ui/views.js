// SPDX-License-Identifier: GPL-3.0-or-later
// Which view shows what the first part of the address names. A view: title(args), render(context) → nodes; `section`
// when another entry of the navigation is current.

import { overview } from "./view_overview.js";

export const views = { overview };
