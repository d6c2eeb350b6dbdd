/** What admission counts; the operator brings its registry. All labels are from small fixed sets. */
export interface WebhookMetrics {
  /** `mesh_injection_total{result,reason}`. */
  injection(result: 'injected' | 'unchanged' | 'left-out' | 'refused' | 'error', reason: string): void;
  /** `mesh_validation_total{resource,result}`. */
  validation(resource: string, result: 'allowed' | 'refused' | 'error'): void;
  /** `mesh_admission_duration_seconds{endpoint}`. */
  duration(endpoint: 'inject' | 'validate', seconds: number): void;
}
