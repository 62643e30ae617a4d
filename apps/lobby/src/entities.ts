import { HistoryEntry } from './history/history.entity.js';

/** This service's tables. */
export const entities = [HistoryEntry];
