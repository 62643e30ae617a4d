import { RoutingDecision } from './decisions/routing-decision.entity.js';
import { Ghost } from './registry/ghost.entity.js';
import { Shell } from './registry/shell.entity.js';

export const entities = [Shell, Ghost, RoutingDecision];
