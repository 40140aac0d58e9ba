variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of the subnet and of Cloud NAT."
  type        = string
}

variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "subnet_cidr" {
  description = "Addresses of the machines: a /20 holds the fleet many times over."
  type        = string
}

variable "private_services_cidr" {
  description = "Addresses for Cloud SQL and Memorystore, which are peered with the network."
  type        = string
}

variable "iap_ranges" {
  description = "Where tunnels of Identity-Aware Proxy come from."
  type        = list(string)
}

variable "health_check_ranges" {
  description = "Where Google's health checks come from."
  type        = list(string)
}

variable "administrators" {
  description = "Who may open a shell on the machines; without anybody, nothing comes in at port 22."
  type        = list(string)
}

variable "worker_email" {
  description = "Service account of the render machines, by which firewall rules know them."
  type        = string
}

variable "control_email" {
  description = "Service account of the control machine."
  type        = string
}

variable "api_email" {
  description = "Service account of the machines of Prefect's API."
  type        = string
}
