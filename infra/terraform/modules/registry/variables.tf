variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "region" {
  description = "Where the images lie: the machines' own region."
  type        = string
}

variable "labels" {
  description = "Labels of the repository."
  type        = map(string)
}

variable "readers" {
  description = "IAM members that pull images."
  type        = list(string)
}

variable "writers" {
  description = "IAM members that push images."
  type        = list(string)
}

variable "keep_images" {
  description = "How many of the newest versions are kept whatever their age. A push with provenance makes up to three, an index, the image and its attestation: 30 are ten images."
  type        = number
  default     = 30
}
