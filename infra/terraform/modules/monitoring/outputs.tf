output "notification_channel" {
  description = "Channel of all alerts."
  value       = google_monitoring_notification_channel.email.id
}

output "log_metrics" {
  description = "Metrics from logs, by what they count."
  value       = { for key, metric in google_logging_metric.this : key => metric.name }
}

output "alert_policies" {
  description = "Alert policies, by what they watch."
  value = merge(
    { for key, policy in google_monitoring_alert_policy.threshold : key => policy.id },
    { autoscaler_silent = google_monitoring_alert_policy.autoscaler_silent.id },
  )
}

output "budget" {
  description = "The budget, or null."
  value       = one(google_billing_budget.this[*].id)
}
