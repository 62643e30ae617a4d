export { SplitError, type SplitErrorCode } from './core/errors.js';
export { openMove, type Move, type OpenMoveOptions } from './core/move.js';
export { MAX_PLAN_BYTES, parsePlan } from './core/plan/load-plan.js';
export { planSchema, type Plan, type ServicePlan } from './core/plan/plan.js';
export { SILENT, type Progress } from './core/progress.js';
export { FENCED } from './core/fence/fence.js';
export { type MoveState, type Phase, type Writes } from './core/state/move-state.js';
