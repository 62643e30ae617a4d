import 'reflect-metadata';
import { runService } from '#service';
import { guardian } from './app.module.js';

await runService(guardian);
