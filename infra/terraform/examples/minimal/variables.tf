variable "project_id" {
  description = "Google Cloud project that everything is made in."
  type        = string
}

variable "region" {
  description = "Region of the machines, buckets and services."
  type        = string
}

variable "zones" {
  description = "Zones of the region to look for machines in; null: those that are known to offer T4s."
  type        = list(string)
  default     = null
}

variable "image" {
  description = "Container image of all machines, by its digest."
  type        = string
}

variable "operators" {
  description = "Who submits jobs and watches them: IAM members."
  type        = list(string)
  default     = []
}

variable "administrators" {
  description = "Who may also open a shell on the machines: IAM members."
  type        = list(string)
  default     = []
}

variable "max_machines" {
  description = "The fleet never has more render machines."
  type        = number
  default     = 20
}

variable "alert_email" {
  description = "Who is written to when an alert fires."
  type        = string
}

variable "billing_account" {
  description = "Billing account, for a budget with alerts; null: no budget."
  type        = string
  default     = null
}

variable "budget" {
  description = "What the project may cost a month, in whole units of the account's currency."
  type        = number
  default     = null
}
