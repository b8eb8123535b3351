// After the job's steps: finishes what the step could not. Its exit code is always 0: what came of the deployment is said
// already, and a clean-up must not say it again differently.

import process from "node:process";
import { finish } from "./launch.mjs";

await finish(process);
