variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of the machines."
  type        = string
}

variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "labels" {
  description = "Labels of alert policies."
  type        = map(string)
}

variable "alert_email" {
  description = "Who is written to when an alert fires or the budget is used up."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alert_email))
    error_message = "Give an address."
  }
}

variable "worker_group" {
  description = "Name of the group of render machines."
  type        = string
}

variable "max_machines" {
  description = "The most machines of that group."
  type        = number
}

variable "database_instance" {
  description = "Name of the Cloud SQL instance."
  type        = string
}

variable "redis_instance" {
  description = "Name of the Redis instance, or its id."
  type        = string
}

variable "api_group" {
  description = "Name of the group of the API's machines."
  type        = string
}

variable "secret_readers" {
  description = "The deployment's secrets, each with the addresses of the service accounts whose machines read it."
  type        = map(list(string))

  validation {
    condition     = length(var.secret_readers) > 0 && alltrue([for emails in var.secret_readers : length(emails) > 0])
    error_message = "Name one secret at least, and one reader of each."
  }
}

variable "billing_account" {
  description = "Billing account of the budget, such as 012345-6789AB-CDEF01; null: no budget."
  type        = string
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account is named like 012345-6789AB-CDEF01."
  }
}

variable "budget" {
  description = "What a month may cost, in whole units of the currency."
  type        = number
  default     = null

  validation {
    condition     = var.budget == null || try(var.budget >= 1 && floor(var.budget) == var.budget, false)
    error_message = "Give a whole number, from 1 on."
  }
}

variable "budget_currency" {
  description = "Currency of the budget, which must be the account's; null: that one."
  type        = string
  default     = null

  validation {
    condition     = var.budget_currency == null || can(regex("^[A-Z]{3}$", var.budget_currency))
    error_message = "A currency has three letters, such as USD."
  }
}

variable "runbook_url" {
  description = "Where docs/operations.md can be read, such as https://github.com/OWNER/REPOSITORY/blob/main/docs/operations.md."
  type        = string
  default     = "docs/operations.md"

  validation {
    condition     = can(regex("^(docs|https://[[:print:]]+)/operations\\.md$", var.runbook_url))
    error_message = "Give the address of docs/operations.md."
  }
}
