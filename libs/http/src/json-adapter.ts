import { ExpressAdapter } from '@nestjs/platform-express';
import { type Response } from 'express';

/**
 * Express, with a shorter way out for what nearly every answer is: an object as JSON, whose type and length are known. What it leaves out
 * (ETag, content negotiation, settings) is switched off anyway; anything else goes Express' own way.
 */
export class JsonAdapter extends ExpressAdapter {
  override reply(response: Response, body: unknown, statusCode?: number): unknown {
    if (!isPlainObject(body) || response.hasHeader('content-type')) return super.reply(response, body, statusCode);
    if (statusCode !== undefined) response.statusCode = statusCode;
    const text = JSON.stringify(body);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    const length = Buffer.byteLength(text);
    response.setHeader('Content-Length', length);
    // Of ASCII alone both are the same bytes, and this one need not look for others.
    return response.end(text, length === text.length ? 'latin1' : 'utf8');
  }
}

function isPlainObject(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Object.getPrototypeOf(body) === Object.prototype;
}
