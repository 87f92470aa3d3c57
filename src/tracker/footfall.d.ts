/** A value that events, goals and traits may carry; deeper ones are not stored. */
export type Value = string | number | boolean;
export type Properties = Record<string, Value | null | undefined>;

export interface InitOptions {
  /** Store nothing in the browser and send no visitor id. */
  cookieless?: boolean;
  /** `required`: send nothing before `zenovay('consent', 'granted')`. */
  consent?: 'required';
  /** Where events go, without a slash at the end. Default: the origin that z.js comes from. */
  apiUrl?: string;
  /** Address of z.js. Default: under `apiUrl` where that is given, else beside this module. Needed when this module is bundled. */
  scriptUrl?: string;
  /** `false`: no automatic page views. */
  auto?: boolean;
  /** `false`: no `outbound_link` events. */
  outbound?: boolean;
  /** `false`: no `file_download` events. */
  downloads?: boolean;
  /** `false`: no `form_submit` events. */
  forms?: boolean;
  /** `false`: no `scroll_milestone` events. */
  scroll?: boolean;
  /** Of former clients; ignored, for the website's settings decide. */
  allowLocalhost?: boolean;
}

/** Traits of an identified person; further ones are kept as custom attributes. */
export interface Traits extends Properties {
  email?: string;
  name?: string;
  first_name?: string;
  last_name?: string;
  company?: string;
  phone?: string;
}

export interface RevenueItem {
  id?: string;
  name?: string;
  price?: number;
  quantity?: number;
  category?: string;
}

export interface RevenueDetails {
  order_id?: string;
  items?: RevenueItem[];
  coupon?: string;
  shipping?: number;
  tax?: number;
  [detail: string]: unknown;
}

/** Loads the tracker for a website. A second call for the same website does nothing; commands go to all of them. */
export function init(code: string, options?: InitOptions): void;
/** A view of the page at its current address. The tracker sees route changes itself; saying so twice counts once. */
export function page(): void;
/** A custom event. */
export function track(name: string, properties?: Properties): void;
/** Says who the visitor is: an id with traits, or traits with `user_id` or `email`. */
export function identify(user: string | number, traits?: Traits): void;
export function identify(user: Traits & { user_id?: string | number; id?: string | number }): void;
/** A completed goal; `value` is its worth in money. */
export function goal(name: string, properties?: Properties): void;
/** Money received, in major units of an ISO 4217 currency (default USD). */
export function revenue(amount: number, currency?: string, details?: RevenueDetails): void;
/** Undoes `disable`. */
export function enable(): void;
/** Stops everything in this browser until `enable`. In cookieless mode: until the page is left. */
export function disable(): void;
