variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

variable "name" {
  description = "Prefix of the service accounts' names."
  type        = string
}

variable "operators" {
  description = "Who submits jobs and watches them: IAM members, such as group:video@example.com."
  type        = list(string)
}

variable "administrators" {
  description = "Who may also open a shell on the machines: IAM members."
  type        = list(string)
}
