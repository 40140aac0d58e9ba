# Metrics from logs, alerts and the budget.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  project_id        = "example-project"
  region            = "us-central1"
  name              = "trivia"
  labels            = { app = "trivia" }
  alert_email       = "sre@example.com"
  worker_group      = "trivia-workers"
  max_machines      = 20
  database_instance = "trivia-prefect"
  redis_instance    = "trivia-redis"
  api_group         = "trivia-api"
  secret_readers = {
    trivia-prefect-auth = ["worker@example.com", "api@example.com"]
    trivia-database-url = ["api@example.com"]
  }
}

run "metrics" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  assert {
    condition     = keys(output.log_metrics) == ["api_unhealthy", "decisions", "errors", "gpu_faults", "jobs_failed", "preemptions", "runs_dead", "secret_denied", "secret_denied_own"]
    error_message = "There is a metric of each event that is alerted on."
  }

  assert {
    condition     = alltrue([for metric in google_logging_metric.this : metric.metric_descriptor[0].metric_kind == "DELTA" && metric.metric_descriptor[0].value_type == "INT64"])
    error_message = "Lines are counted."
  }

  assert {
    condition     = alltrue([for key in ["errors", "gpu_faults", "jobs_failed"] : google_logging_metric.this[key].label_extractors == tomap({ code = "EXTRACT(jsonPayload.error_code)" })])
    error_message = "Errors are counted by their code."
  }

  assert {
    condition = (
      endswith(google_logging_metric.this["secret_denied"].filter, " AND (${join(" OR ", [
        "(protoPayload.resourceName:\"/secrets/trivia-database-url\" AND NOT protoPayload.authenticationInfo.principalEmail=(\"api@example.com\"))",
        "(protoPayload.resourceName:\"/secrets/trivia-prefect-auth\" AND NOT protoPayload.authenticationInfo.principalEmail=(\"worker@example.com\" OR \"api@example.com\"))",
      ])})") &&
      replace(google_logging_metric.this["secret_denied"].filter, "AND NOT ", "AND ") == google_logging_metric.this["secret_denied_own"].filter
    )
    error_message = "A machine that should read a secret is counted apart from everybody else, other machines too."
  }
}

run "alerts" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  assert {
    condition     = keys(google_monitoring_alert_policy.threshold) == ["api_unhealthy", "database_cpu", "database_disk", "fleet_at_maximum", "gpu_faults", "jobs_failed", "preemptions", "redis_memory", "runs_dead", "secret_denied", "secret_denied_own"]
    error_message = "Each has its alert."
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.threshold : strcontains(policy.documentation[0].content, "Runbook: docs/operations.md#")])
    error_message = "An alert says where to read what to do."
  }

  assert {
    condition     = google_monitoring_alert_policy.threshold["fleet_at_maximum"].conditions[0].condition_threshold[0].threshold_value == 19.5 && google_monitoring_alert_policy.threshold["fleet_at_maximum"].conditions[0].condition_threshold[0].duration == "3600s"
    error_message = "A fleet that is as large as it may be for an hour is told of."
  }

  assert {
    condition = [
      for condition in google_monitoring_alert_policy.threshold["api_unhealthy"].conditions[0].condition_threshold :
      "over ${condition.threshold_value} in ${condition.aggregations[0].alignment_period} for ${condition.duration}"
    ] == ["over 4 in 900s for 0s"]
    error_message = "Two new machines, of which each of two checks says once that they are not there yet, alert nobody."
  }

  assert {
    condition = { for key in ["secret_denied", "secret_denied_own"] : key => [
      for condition in google_monitoring_alert_policy.threshold[key].conditions[0].condition_threshold :
      "over ${condition.threshold_value} in ${condition.aggregations[0].alignment_period} for ${condition.duration}"
      ] } == {
      secret_denied     = ["over 0 in 300s for 0s"]
      secret_denied_own = ["over 0 in 300s for 900s"]
    }
    error_message = "A role that does not count yet alerts nobody; strangers at a secret do at once."
  }

  assert {
    condition = (
      google_monitoring_alert_policy.autoscaler_silent.conditions[0].condition_threshold[0].comparison == "COMPARISON_LT" &&
      google_monitoring_alert_policy.autoscaler_silent.conditions[0].condition_threshold[0].aggregations[0].alignment_period == "600s" &&
      google_monitoring_alert_policy.autoscaler_silent.conditions[1].condition_absent[0].duration == "600s"
    )
    error_message = "Ten minutes without a decision are told of, whether the metric is zero or absent."
  }

  assert {
    condition     = google_monitoring_notification_channel.email.type == "email" && google_monitoring_notification_channel.email.labels["email_address"] == "sre@example.com"
    error_message = "Alerts go to the address."
  }

  assert {
    condition     = length(google_billing_budget.this) == 0 && output.budget == null
    error_message = "Without a billing account there is no budget."
  }
}

run "budget" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    billing_account = "012345-6789AB-CDEF01"
    budget          = 3000
  }

  assert {
    condition     = google_billing_budget.this[0].budget_filter[0].projects == toset(["projects/123456789012"])
    error_message = "The budget is of this project alone."
  }

  assert {
    condition     = google_billing_budget.this[0].amount[0].specified_amount[0].units == "3000"
    error_message = "The budget is what was given."
  }

  assert {
    condition     = [for rule in google_billing_budget.this[0].threshold_rules : "${rule.threshold_percent} ${rule.spend_basis}"] == ["0.5 CURRENT_SPEND", "0.9 CURRENT_SPEND", "1 CURRENT_SPEND", "1.2 FORECASTED_SPEND"]
    error_message = "It warns before it is used up."
  }
}

run "refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    alert_email     = "nobody"
    billing_account = "mine"
    budget          = 0.5
    budget_currency = "dollars"
    runbook_url     = "javascript:alert(1)"
    secret_readers  = { trivia-prefect-auth = [] }
  }

  expect_failures = [var.alert_email, var.billing_account, var.budget, var.budget_currency, var.runbook_url, var.secret_readers]
}

run "budget_without_amount" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    billing_account = "012345-6789AB-CDEF01"
  }

  expect_failures = [google_billing_budget.this]
}
