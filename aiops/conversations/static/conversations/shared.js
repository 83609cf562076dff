// A shared conversation: its code gets its buttons.

import { dressCode } from "../web/code.js";

dressCode(document);
