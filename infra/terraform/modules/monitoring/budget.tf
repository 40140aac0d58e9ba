# A budget warns; it stops nothing. Costs come with a delay of hours.

data "google_project" "this" {
  count = var.billing_account == null ? 0 : 1

  project_id = var.project_id
}

resource "google_billing_budget" "this" {
  count = var.billing_account == null ? 0 : 1

  billing_account = var.billing_account
  display_name    = "${var.name} (${var.project_id})"

  budget_filter {
    projects               = ["projects/${data.google_project.this[0].number}"]
    calendar_period        = "MONTH"
    credit_types_treatment = "INCLUDE_ALL_CREDITS"
  }

  amount {
    specified_amount {
      units         = tostring(var.budget)
      currency_code = var.budget_currency
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]

    content {
      threshold_percent = threshold_rules.value
      spend_basis       = "CURRENT_SPEND"
    }
  }

  # By the middle of the month rather than at its end.
  threshold_rules {
    threshold_percent = 1.2
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = [google_monitoring_notification_channel.email.id]
    disable_default_iam_recipients   = false
  }

  lifecycle {
    precondition {
      condition     = var.budget != null
      error_message = "Give `budget` with `billing_account`."
    }
  }
}
